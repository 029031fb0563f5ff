// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

/// What is thrown at the scanner: tokens that do not do what they say, and contracts that pay.
contract Odd {
    mapping(address => uint256) public balanceOf;
    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor() {
        balanceOf[msg.sender] = 1e30;
    }

    function say(address to, uint256 value) public {
        emit Transfer(msg.sender, to, value);
    }

    /// Without a return value, as USDT.
    function transfer(address to, uint256 value) external {
        move(to, value);
        say(to, value);
    }

    /// Says success and moves nothing, without an event.
    function pretend(address, uint256) external pure returns (bool) {
        return true;
    }

    /// Says the whole, moves 99 of 100.
    function taxed(address to, uint256 value) external {
        move(to, value * 99 / 100);
        say(to, value);
    }

    function many(address to, uint256 value, uint256 count) external {
        for (uint256 nth = 0; nth < count; nth++) {
            move(to, value);
            say(to, value);
        }
    }

    function undone(address to, uint256 value) external {
        try this.moveAndFail(to, value) {} catch {}
    }

    function moveAndFail(address to, uint256 value) external {
        move(to, value);
        say(to, value);
        revert("undone");
    }

    function rebase(address who, uint256 value) external {
        balanceOf[who] = value;
    }

    function move(address to, uint256 value) internal {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }
}

/// A token of numbered pieces: the same event, with the number as a fourth topic.
contract Pieces {
    event Transfer(address indexed from, address indexed to, uint256 indexed piece);

    function give(address to, uint256 piece) external {
        emit Transfer(address(0), to, piece);
    }
}

contract Payer {
    receive() external payable {}

    function pay(address payable to, uint256 value) external payable {
        (bool ok,) = to.call{value: value}("");
        require(ok);
    }

    /// Three are paid, then all of it is undone.
    function payThreeAndFail(address payable a, address payable b, address payable c) external payable {
        a.transfer(1);
        b.transfer(1);
        c.transfer(1);
        revert("undone");
    }

    /// The same inside a call that is caught: the transaction succeeds.
    function payThreeAndCatch(address payable a, address payable b, address payable c) external payable {
        try this.payThreeAndFail{value: 3}(a, b, c) {} catch {}
    }
}
