"""`talaria render`: configurations for engines in front of Talaria, made of talaria.toml.

command                      the command line
  facts                      what the engines need to know of the settings
  missing                    what an engine needs, and the settings do not have
  nginx  envoy  haproxy      one engine each: what its templates can't say themselves
    template                 fills a template in, by Jinja
    *.conf *.cfg *.yaml Caddyfile.*   the templates
    person.js  decide.lua    scripts that a rendered configuration loads
"""
