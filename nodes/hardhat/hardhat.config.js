// What `hardhat node` wants to find; nothing is compiled with it.
module.exports = { solidity: "0.8.28" };
