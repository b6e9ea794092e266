"""The couriers: a leaf package that hands finished messages to providers."""
