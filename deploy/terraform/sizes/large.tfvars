# A national federation: 10 million credits a year, peaks of 2,000 records a
# second.
nat                 = "per_zone"
interface_endpoints = []

api    = { cpu = 2048, memory = 4096, min = 4, max = 40, connections = 16, requests = 800 }
worker = { cpu = 2048, memory = 4096, min = 3, max = 24, connections = 24 }

# Each worker wakes a race once in this time. The alert StandingsSlow wants less
# than 10 s.
standings_interval = "8s"

main_db = { class = "db.r7g.2xlarge", instances = 2, io_optimized = true }
user_db = { class = "db.r7g.2xlarge", instances = 2, io_optimized = true }

container_insights = true
monthly_budget     = 10000
