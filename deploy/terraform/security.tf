# Who may open a connection to whom. Both programs need both databases: the API
# serves accounts and points out of user_db, the worker reads entries from
# main_db and writes the ledger in user_db.

locals {
  api_port    = 8080
  worker_port = 8081

  database_clients = {
    api    = aws_security_group.api.id
    worker = aws_security_group.worker.id
    jobs   = aws_security_group.jobs.id
  }

  task_groups = {
    api    = aws_security_group.api.id
    worker = aws_security_group.worker.id
    jobs   = aws_security_group.jobs.id
  }
}

resource "aws_security_group" "api" {
  name        = "${local.name}-api"
  description = "Tasks of the API"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${local.name}-api" }
}

resource "aws_security_group" "worker" {
  name        = "${local.name}-worker"
  description = "Tasks of the worker, which nobody calls"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${local.name}-worker" }
}

resource "aws_security_group" "jobs" {
  name        = "${local.name}-jobs"
  description = "Migrations, accounts and the operator: tasks that run once"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${local.name}-jobs" }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.api.id
  description                  = "HTTP from the load balancer"
  referenced_security_group_id = module.edge.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

# To Amazon's services, image registries and Temporal's certificate authority.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = local.task_groups
  security_group_id = each.value
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "mysql" {
  for_each          = local.task_groups
  security_group_id = each.value
  description       = "MySQL within the VPC"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
}

resource "aws_vpc_security_group_egress_rule" "temporal" {
  for_each          = { api = aws_security_group.api.id, worker = aws_security_group.worker.id }
  security_group_id = each.value
  description       = "Temporal"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(split(":", var.temporal_address)[1])
  to_port           = tonumber(split(":", var.temporal_address)[1])
}
