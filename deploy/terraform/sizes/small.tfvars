# A club: a race a month, up to some 3,000 finishers. A zone that ends takes
# the databases along until they are started in the other, some ten minutes.
nat                 = "one"
interface_endpoints = []

api    = { cpu = 256, memory = 1024, min = 2, max = 4, connections = 8, requests = 100 }
worker = { cpu = 512, memory = 1024, min = 1, max = 4, connections = 12 }

main_db = { class = "db.serverless", instances = 1, capacity = { min = 0.5, max = 8 } }
user_db = { class = "db.serverless", instances = 1, capacity = { min = 0.5, max = 8 } }

monthly_budget = 500
