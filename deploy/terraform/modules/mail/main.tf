# What SES reports about the mails that it has accepted: a configuration set, whose
# events go by a topic to a queue that the worker reads. SES cannot put them on a
# queue itself.

resource "aws_sesv2_configuration_set" "this" {
  configuration_set_name = var.name

  # Complaints are our own affair: one about a notice must not stop the mails about the
  # account, which the list of the AWS account would.
  suppression_options {
    suppressed_reasons = ["BOUNCE"]
  }

  reputation_options {
    reputation_metrics_enabled = true
  }
}

resource "aws_sesv2_configuration_set_event_destination" "this" {
  configuration_set_name = aws_sesv2_configuration_set.this.configuration_set_name
  event_destination_name = "queue"

  event_destination {
    enabled              = true
    matching_event_types = ["BOUNCE", "COMPLAINT", "DELIVERY", "REJECT"]
    sns_destination {
      topic_arn = aws_sns_topic.events.arn
    }
  }
  depends_on = [aws_sns_topic_policy.events] # SES tries the topic when it gets to know it
}

resource "aws_sns_topic" "events" {
  name = "${var.name}-mail-events"
}

resource "aws_sns_topic_policy" "events" {
  arn = aws_sns_topic.events.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Events"
      Effect    = "Allow"
      Principal = { Service = "ses.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events.arn
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = var.account
          "aws:SourceArn"     = aws_sesv2_configuration_set.this.arn
        }
      }
    }]
  })
}

resource "aws_sns_topic_subscription" "events" {
  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events.arn
  raw_message_delivery = true
  depends_on           = [aws_sqs_queue_policy.events]
}

resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-mail-events"
  visibility_timeout_seconds = 60             # as long as the worker hides an event each time
  message_retention_seconds  = 14 * 24 * 3600 # the most there is
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-mail-events-dead"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

locals {
  tls = {
    for name, arn in { events = aws_sqs_queue.events.arn, dead_letters = aws_sqs_queue.dead_letters.arn } : name => {
      Sid                     = "TLSAlone"
      Effect                  = "Deny"
      Principal               = "*"
      Action                  = "sqs:*"
      Resource                = arn
      Condition               = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }
}

# Only the topic puts anything on the queue: whoever could would switch addresses off.
resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [local.tls.events, {
      Sid       = "Topic"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.events.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.events.arn } }
    }]
  })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.tls.dead_letters]
  })
}
