// node compile.cjs FILE: the contracts of a Solidity file as JSON, {name: {abi, bytecode}}.
const { readFileSync } = require("node:fs");
const solc = require("solc");

const file = process.argv[2];
const input = {
  language: "Solidity",
  sources: { source: { content: readFileSync(file, "utf8") } },
  settings: {
    optimizer: { enabled: true },
    evmVersion: "shanghai",
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (output.errors ?? []).filter((each) => each.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((each) => each.formattedMessage).join("\n"));
  process.exit(1);
}
const contracts = Object.entries(output.contracts.source).map(([name, found]) => [
  name,
  { abi: found.abi, bytecode: "0x" + found.evm.bytecode.object },
]);
console.log(JSON.stringify(Object.fromEntries(contracts)));
