# One Aurora MySQL cluster (engine 3, compatible with MySQL 8.0) with a key and
# a security group of its own. Its master password is made and kept by RDS; the
# accounts that the programs use are made by the accounts task.

locals {
  port       = 3306
  serverless = var.instance_class == "db.serverless"
  # GiB of the sizes of Aurora's r classes; burstable ones have half of it and more.
  memory_gib = {
    medium = 4, large = 16, xlarge = 32, "2xlarge" = 64, "4xlarge" = 128, "8xlarge" = 256, "12xlarge" = 384, "16xlarge" = 512, "24xlarge" = 768
  }
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: storage, backups and performance data"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Clients of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = { Name = var.name }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each                     = var.clients
  security_group_id            = aws_security_group.this.id
  description                  = "MySQL from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = var.name
  family      = "aurora-mysql8.0"
  description = "Connections without TLS are refused"

  dynamic "parameter" {
    for_each = {
      require_secure_transport = "ON"
      tls_version              = "TLSv1.2,TLSv1.3"
      character_set_server     = "utf8mb4"
      collation_server         = "utf8mb4_general_ci"
      time_zone                = "UTC"
      slow_query_log           = "1"
      long_query_time          = "1" # second
    }
    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "pending-reboot" # some of them know no other; a new cluster starts with them
    }
  }
}

resource "aws_rds_cluster" "this" {
  cluster_identifier              = var.name
  engine                          = "aurora-mysql"
  engine_version                  = var.engine_version
  storage_type                    = var.io_optimized ? "aurora-iopt1" : null
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.this.id]
  port                            = local.port

  master_username             = "master"
  manage_master_user_password = true

  storage_encrypted   = true
  kms_key_id          = aws_kms_key.this.arn
  deletion_protection = var.deletion_protection

  backup_retention_period      = var.backup_days
  preferred_backup_window      = "03:00-04:00"
  preferred_maintenance_window = "tue:04:30-tue:05:30" # races are on weekends
  copy_tags_to_snapshot        = true
  skip_final_snapshot          = false
  final_snapshot_identifier    = "${var.name}-final"

  enabled_cloudwatch_logs_exports = ["error", "slowquery"]

  dynamic "serverlessv2_scaling_configuration" {
    for_each = local.serverless ? [var.capacity] : []
    content {
      min_capacity = serverlessv2_scaling_configuration.value.min
      max_capacity = serverlessv2_scaling_configuration.value.max
    }
  }
}

# The first is the writer until a failover; a second one, in the other zone,
# takes over within a minute.
resource "aws_rds_cluster_instance" "this" {
  count                           = var.instances
  identifier                      = "${var.name}-${count.index + 1}"
  cluster_identifier              = aws_rds_cluster.this.id
  engine                          = aws_rds_cluster.this.engine
  instance_class                  = var.instance_class
  db_subnet_group_name            = aws_db_subnet_group.this.name
  publicly_accessible             = false
  auto_minor_version_upgrade      = false             # would leave the version with long-term support
  performance_insights_enabled    = !local.serverless # it would keep a small one awake
  performance_insights_kms_key_id = local.serverless ? null : aws_kms_key.this.arn
  copy_tags_to_snapshot           = true
}
