# The roles that the pipelines assume through OIDC, so that GitHub holds no key. Anybody
# who may push a tag can start a job on it, so a tag gets a role that pushes
# images and nothing else. The role that deploys is given to jobs that name the
# GitHub environment, whose reviewers have approved them by then.

locals {
  github_issuer = "token.actions.githubusercontent.com"
  services      = [module.api_service.arn, module.worker_service.arn]

  # The subject of a job's token. Repositories that were created, renamed or
  # transferred since 15 July 2026, or that opted in, name the immutable IDs of
  # owner and repository too: repo:owner@1/name@2:… The older form is trusted
  # only where no IDs are given: a new owner of a released name could present
  # it.
  github_owner = split("/", var.github_repository)[0]
  github_name  = split("/", var.github_repository)[1]
  github_subject = (var.github_ids == null ? "repo:${var.github_repository}"
  : "repo:${local.github_owner}@${var.github_ids.owner}/${local.github_name}@${var.github_ids.repository}")
  deploy_subject = "${local.github_subject}:environment:${var.environment}"
  images_subject = "${local.github_subject}:ref:refs/tags/v*"
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.create_github_provider ? 1 : 0
  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  name                 = "${local.name}-deploy"
  description          = "Deployments from ${var.github_repository}"
  max_session_duration = 7200
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::${local.account}:oidc-provider/${local.github_issuer}" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.github_issuer}:aud" = "sts.amazonaws.com"
          "${local.github_issuer}:sub" = local.deploy_subject
        }
      }
    }]
  })
  depends_on = [aws_iam_openid_connect_provider.github]
}

# Only in the environment that has the repositories.
resource "aws_iam_role" "images" {
  count                = var.create_registry ? 1 : 0
  name                 = "mrmrthon-images"
  description          = "Images of releases from ${var.github_repository}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::${local.account}:oidc-provider/${local.github_issuer}" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "${local.github_issuer}:aud" = "sts.amazonaws.com" }
        StringLike   = { "${local.github_issuer}:sub" = local.images_subject }
      }
    }]
  })
  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "images" {
  count = var.create_registry ? 1 : 0
  name  = "push"
  role  = aws_iam_role.images[0].id
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
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = values(local.repository_arns)
      },
    ]
  })
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
        Sid      = "Images" # to verify their signatures
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
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
