"""What the benchmarks speak to, each in a process of its own: it takes no time from the client's interpreter."""
