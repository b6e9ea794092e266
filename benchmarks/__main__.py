"""`make bench`: every comparison in one run; exit code 1 if a ratio that is asked for is missed."""

import sys

from benchmarks import bulk, callbacks, chats, idle, queue, reminders, sale, sends, workers


def main() -> int:
    """Run all of them, or those named on the command line."""
    runs = {
        "callbacks": callbacks.main,
        "sends": sends.main,
        "chats": chats.main,
        "bulk": bulk.main,
        "reminders": reminders.main,
        "queue": queue.main,
        "sale": sale.main,
        "idle": idle.main,
        "workers": workers.main,
    }
    wanted = sys.argv[1:] or list(runs)
    reached = [runs[name]() for name in wanted]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
