"""Reports for readers outside the lab. The only room that imports quantstats and matplotlib, and only on use."""
