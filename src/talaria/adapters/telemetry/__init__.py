"""What becomes of each event.

recorder      hands an event to its handlers
metrics  access_log  failure_log    counters; one JSON line a request; the newest answers of 500 and above
pseudonyms    the name of a person in lines
"""
