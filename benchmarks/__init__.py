"""What measuring costs: `python -m benchmarks`, and, of a queue that is full, `event_queue.py`."""
