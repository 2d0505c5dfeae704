# What the programs may do with AWS: exactly the calls of internal/queue and
# internal/mail. The jobs call nothing of AWS.

locals {
  # The relay sends; the operator's pages read dead letters, put them back and
  # discard them; both count what waits.
  api_rights = [
    {
      Sid      = "Records"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
      Resource = module.queues.arn
    },
    {
      Sid      = "DeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
      Resource = module.queues.dead_letter_arn
    },
  ]

  # The bridge receives, extends and deletes, and moves to the dead letters what
  # is not ours; the audit counts what waits. What SES reports about mails is taken
  # in the same way.
  worker_rights = concat([
    {
      Sid      = "Records"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
      Resource = module.queues.arn
    },
    {
      Sid      = "DeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
      Resource = module.queues.dead_letter_arn
    },
    {
      Sid       = "Mails"
      Effect    = "Allow"
      Action    = ["ses:SendEmail"]
      Resource  = "*"
      Condition = { StringEquals = { "ses:FromAddress" = var.mail_from } }
    },
    ], [for right in [
      {
        Sid      = "MailEvents"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        Resource = var.mail_from == "" ? null : module.mail[0].arn
      },
      {
        Sid      = "MailEventsDead"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
        Resource = var.mail_from == "" ? null : module.mail[0].dead_letter_arn
      },
  ] : right if var.mail_from != ""])
}
