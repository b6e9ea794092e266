"""`python -m bot` is `paybot`."""

from bot.cli.command import paybot


def main() -> None:
    """Run the command and exit."""
    paybot.main(prog_name="paybot")


if __name__ == "__main__":
    main()
