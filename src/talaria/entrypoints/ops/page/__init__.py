"""The page for people: one screen of the whole gateway, and a screen for one failure.

handlers        where the pages stand
pages           the pages, live and still; how often they are made
view            what stands on them: the headline, a row for each route, dependency, worker and certificate
curve  words    the small curves; numbers and times as people read them
shell.html  main.html  timeline.html  page.css  page.js
"""
