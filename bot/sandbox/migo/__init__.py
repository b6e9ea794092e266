"""The emulated Migo: creating links, the hosted payment page and the merchant callback."""
