output "configuration_set" {
  description = "Name of the configuration set that mails are sent with."
  value       = aws_sesv2_configuration_set.this.configuration_set_name
}

output "url" {
  description = "URL of the queue of events."
  value       = aws_sqs_queue.events.url
}

output "arn" {
  description = "ARN of the queue of events."
  value       = aws_sqs_queue.events.arn
}

output "name" {
  description = "Name of the queue of events in CloudWatch."
  value       = aws_sqs_queue.events.name
}

output "dead_letter_url" {
  description = "URL of its dead letters."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_arn" {
  description = "ARN of its dead letters."
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letter_name" {
  description = "Name of its dead letters in CloudWatch."
  value       = aws_sqs_queue.dead_letters.name
}
