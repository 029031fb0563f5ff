"""`cambist`: the operator's command. Every part speaks to a running exchange, or opens one by itself."""

from importlib import import_module

import click

# By name: module and function. Loaded when called: most need half of the package, and `run` is to start fast.
COMMANDS = {
    "init": "lifecycle:init",
    "doctor": "doctor:doctor",
    "run": "run:run",
    "serve": "serve:serve",
    "status": "status:status",
    "user": "users:user",
    "api-key": "users:api_key",
    "asset": "markets:asset",
    "market": "markets:market",
    "network": "networks:network",
    "rules": "rules:rules",
    "sandbox": "sandbox:sandbox",
    "signer": "signer:signer",
    "staff": "staff:staff",
    "audit": "records:audit",
    "records": "records:records",
    "snapshot": "checks:snapshot",
    "verify": "checks:verify",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "rehearse": "rehearse:rehearse",
    "rebuild": "ledger:rebuild",
    "ledger": "ledger:ledger",
    "replay-flow": "flow:replay_flow",
    "bench": "bench:bench",
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), function)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cambist")
def main() -> None:
    """Operate a Cambist exchange. Its data directory is CAMBIST_HOME, `var/` in the checkout by default."""
