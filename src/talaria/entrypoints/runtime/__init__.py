"""From start to the end of the drain.

process  supervisor          one process; several
  signals  control_hub       what the supervisor waits for: signals, and the frames that its children exchange
  siblings                   known in one worker is known in all
gateway_server  reload       a gateway that serves, by one configuration after the other
container                    the graph of the parts, built once; two lifetimes
  factories  upstream_factories    how each part is made of the settings
  resources  rate_limiters   what outlasts a reload; the state of each dependency
logging                      lines other than the access lines
sd_notify                    what systemd is told
"""
