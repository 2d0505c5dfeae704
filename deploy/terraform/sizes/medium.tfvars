# A city: marathon day with 50,000 finishers and 500,000 readers, smaller races
# every weekend. Survives the end of a zone.
nat                 = "per_zone"
interface_endpoints = []

api    = { cpu = 1024, memory = 2048, min = 3, max = 20, connections = 16, requests = 400 }
worker = { cpu = 1024, memory = 2048, min = 2, max = 10, connections = 16 }

# Each worker wakes a race once in this time: with two of them a version every
# 4 s. One a second of 50,000 entries would fill 29 GB on a race day. The alert
# StandingsSlow wants less than 10 s.
standings_interval = "8s"

main_db = { class = "db.r7g.large", instances = 2 }
user_db = { class = "db.r7g.large", instances = 2 }

monthly_budget = 2500
