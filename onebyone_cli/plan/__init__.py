"""Plan a job: sizes, order, memory and costs. Plain integers, no arrays and no files."""
