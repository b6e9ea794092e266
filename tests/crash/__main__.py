"""`python -m tests.crash`. Every forked member of a fleet imports this again: keep it light."""

import sys

if __name__ == "__main__":
    from tests.crash.torture import main

    sys.exit(main(sys.argv[1:]))
