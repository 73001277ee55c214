"""What becomes of each event.

recorder                            hands an event to its handlers; the name of a person in lines
metrics  access_log  failure_log    counters; one JSON line a request; the last answers of 400 and above
tallies  exposition                 what is counted, summed over the workers; how Prometheus reads it
process_gauges                      time, memory and descriptors of a process
text_lines                          lines for people on a terminal
request_line  timestamps            the fields that line and record share; times as text
line_writer                         lines to a descriptor, without ever waiting for its reader
"""
