# The role that the release pipeline takes by OIDC: no key of ours is kept at
# GitHub. It may push images, register task definitions, run the migration and
# update the two services of this environment.

locals {
  github_issuer = "token.actions.githubusercontent.com"
  services      = [module.api_service.arn, module.worker_service.arn]
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.create_github_provider ? 1 : 0
  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  name                 = "${local.name}-deploy"
  description          = "Releases from ${var.github_repository}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::${local.account}:oidc-provider/${local.github_issuer}" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "${local.github_issuer}:aud" = "sts.amazonaws.com" }
        # A job names the environment; one that names none must run on a tag.
        StringLike = {
          "${local.github_issuer}:sub" = [
            "repo:${var.github_repository}:environment:${var.environment}",
            "repo:${var.github_repository}:ref:refs/tags/v*",
          ]
        }
      }
    }]
  })
  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "deploy" {
  name = "release"
  role = aws_iam_role.deploy.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Images"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = values(local.repository_arns)
      },
      {
        Sid      = "TaskDefinitions" # these calls know no resource
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition", "ecs:ListTaskDefinitions"]
        Resource = "*"
      },
      {
        Sid      = "Tags"
        Effect   = "Allow"
        Action   = "ecs:TagResource"
        Resource = "arn:aws:ecs:${var.region}:${local.account}:task-definition/${local.name}-*"
        Condition = {
          StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" }
        }
      },
      {
        Sid      = "Services"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService", "ecs:ListServiceDeployments"]
        Resource = local.services
      },
      {
        Sid      = "Deployments"
        Effect   = "Allow"
        Action   = "ecs:DescribeServiceDeployments"
        Resource = "arn:aws:ecs:${var.region}:${local.account}:service-deployment/${local.name}/*"
      },
      {
        Sid       = "Migrate"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = "arn:aws:ecs:${var.region}:${local.account}:task-definition/${module.migrate_task.family}:*"
        Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }
      },
      {
        Sid      = "Watch"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource = "arn:aws:ecs:${var.region}:${local.account}:task/${local.name}/*"
      },
      {
        Sid      = "MigrationLog"
        Effect   = "Allow"
        Action   = ["logs:GetLogEvents", "logs:FilterLogEvents"]
        Resource = "arn:aws:logs:${var.region}:${local.account}:log-group:${module.migrate_task.log_group}:*"
      },
      {
        Sid       = "Roles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = concat(module.api_task.role_arns, module.worker_task.role_arns, module.migrate_task.role_arns)
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}
