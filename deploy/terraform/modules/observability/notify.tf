# Alarms, alerts of Prometheus, failed deployments and the budget go to one topic, and from there to
# Slack (by Amazon Q Developer in chat applications, formerly AWS Chatbot, which
# needs a one-time permission in the Slack workspace) and to e-mail.

data "aws_caller_identity" "this" {}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

# For CloudFront's alarm, where the environment is in another region.
locals {
  cdn_topics = var.region == "us-east-1" ? [] : ["us-east-1"]
  cdn_topic  = try(aws_sns_topic.cdn["us-east-1"].arn, aws_sns_topic.alarms.arn)
}

resource "aws_sns_topic" "cdn" {
  for_each = toset(local.cdn_topics)
  provider = aws.us_east_1
  name     = "${var.name}-cdn-alarms"
}

resource "aws_sns_topic_policy" "cdn" {
  for_each = aws_sns_topic.cdn
  provider = aws.us_east_1
  arn      = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = each.value.arn
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "cdn_email" {
  for_each  = { for pair in setproduct(local.cdn_topics, var.emails) : pair[1] => pair[0] }
  provider  = aws.us_east_1
  topic_arn = aws_sns_topic.cdn[each.value].arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsAlertsAndBudgetOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "aps.amazonaws.com"] }
        Action    = ["sns:Publish", "sns:GetTopicAttributes"]
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id } }
      },
      {
        Sid       = "Events" # EventBridge supports no conditions in a topic's policy
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_iam_role" "slack" {
  count = var.slack == null ? 0 : 1
  name  = "${var.name}-slack"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "chatbot.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# The graph beside an alarm in Slack.
resource "aws_iam_role_policy" "slack" {
  count = var.slack == null ? 0 : 1
  name  = "graphs"
  role  = aws_iam_role.slack[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricWidgetImage"]
      Resource = "*"
    }]
  })
}

resource "aws_chatbot_slack_channel_configuration" "alarms" {
  count                 = var.slack == null ? 0 : 1
  configuration_name    = "${var.name}-alarms"
  iam_role_arn          = aws_iam_role.slack[0].arn
  slack_team_id         = var.slack.team_id
  slack_channel_id      = var.slack.channel_id
  sns_topic_arns        = concat([aws_sns_topic.alarms.arn], [for topic in aws_sns_topic.cdn : topic.arn])
  guardrail_policy_arns = ["arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"] # nobody acts from Slack
  logging_level         = "ERROR"
}

# The circuit breaker went back to the old tasks, or could not.
resource "aws_cloudwatch_event_rule" "deployment" {
  name        = "${var.name}-deployment-failed"
  description = "A rolling update failed"
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Deployment State Change"]
    resources     = values(var.service_arns)
    detail        = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  })
}

resource "aws_cloudwatch_event_target" "deployment" {
  rule = aws_cloudwatch_event_rule.deployment.name
  arn  = aws_sns_topic.alarms.arn
}
