# A task definition with one container, its log and its two roles: the one that
# ECS takes to start it, which may read the secrets named here and no others,
# and the one that the program itself has.

locals {
  # Null values are left out. The order is fixed, so that a plan shows only real changes.
  environment = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] } if var.environment[name] != null]
  secrets     = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] } if var.secrets[name] != null]

  # A secret may be followed by a key in it, as in <arn>:password::.
  secret_arns = distinct([for secret in local.secrets : join(":", slice(split(":", secret.valueFrom), 0, 7))])

  assume_by_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.family}"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "execution" {
  name               = "${var.family}-execution"
  description        = "Starts ${var.family}: image, log, secrets"
  assume_role_policy = local.assume_by_tasks
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = local.secret_arns
      },
    ]
  })
}

resource "aws_iam_role_policy" "image" {
  count = var.repository_arn == null ? 0 : 1
  name  = "image"
  role  = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken" # has no resource
        Resource = "*"
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arn
      },
    ]
  })
}

resource "aws_iam_role" "task" {
  name               = "${var.family}-task"
  description        = "What ${var.family} may do"
  assume_role_policy = local.assume_by_tasks
}

resource "aws_iam_role_policy" "task" {
  count  = length(var.rights) > 0 ? 1 : 0
  name   = "work"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(var.rights, local.collector_rights) })
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  skip_destroy             = true # a rollback goes back to an older revision

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  # The programs write no files, so that a read-only root needs no volume.
  container_definitions = jsonencode(concat([merge({
    name                   = var.container
    image                  = var.image
    essential              = true
    environment            = local.environment
    secrets                = local.secrets
    user                   = var.user
    readonlyRootFilesystem = var.read_only
    stopTimeout            = var.stop_seconds
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }] # a file for each open stream
    portMappings           = [for port in var.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = var.container
        # If the log cannot be written, lines are dropped rather than credits delayed.
        mode            = "non-blocking"
        max-buffer-size = "8m"
      }
    }
    },
    var.entry_point == null ? {} : { entryPoint = var.entry_point },
    var.command == null ? {} : { command = var.command },
    var.health_command == null ? {} : {
      healthCheck = {
        command     = concat(["CMD"], var.health_command)
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 60 # seconds
      }
    },
  )], local.collectors))
}
