"""What secretsource costs, beside its peers and the least that the work can cost. Run it with `make bench`."""
