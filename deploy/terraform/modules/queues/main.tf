# The records queue and its dead letters, as on one machine (deploy/local).

resource "aws_sqs_queue" "records" {
  name                       = "${var.name}-records"
  visibility_timeout_seconds = var.visibility_seconds
  message_retention_seconds  = 14 * 24 * 3600 # the most there is
  receive_wait_time_seconds  = 20             # the default for receives that do not set it
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receives
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-records-dead"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.records.arn]
  })
}

# The tasks' roles decide who may call; this refuses calls without TLS.
resource "aws_sqs_queue_policy" "tls" {
  for_each = {
    records      = aws_sqs_queue.records
    dead_letters = aws_sqs_queue.dead_letters
  }
  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TLSAlone"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
