// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

/// A token that its owner can change under those who hold it.
contract Changing {
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) public isBlacklisted;
    uint8 public decimals = 18;
    bool public paused;
    string public symbol = "ETP";

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(!paused && !isBlacklisted[msg.sender], "stopped");
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }

    function setDecimals(uint8 value) external {
        decimals = value;
    }

    function setPaused(bool value) external {
        paused = value;
    }

    function setBlacklisted(address who, bool value) external {
        isBlacklisted[who] = value;
    }

    /// What no event says.
    function setBalance(address who, uint256 value) external {
        balanceOf[who] = value;
    }
}

/// A token whose supply is known to change by itself.
contract Elastic is Changing {
    function rebase(uint256, int256) external {}
}

/// Runs the code that its slot names (EIP-1967).
contract Proxy {
    bytes32 constant SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    function upgradeTo(address code) public {
        assembly {
            sstore(SLOT, code)
        }
    }

    fallback() external payable {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(SLOT), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch ok
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
