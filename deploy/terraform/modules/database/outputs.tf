output "host" {
  description = "Name of the writer."
  value       = aws_rds_cluster.this.endpoint
}

output "address" {
  description = "host:port of the writer."
  value       = "${aws_rds_cluster.this.endpoint}:${aws_rds_cluster.this.port}"
}

output "reader_address" {
  description = "host:port of the readers: the instances that stand by, or the writer when there are none."
  value       = "${aws_rds_cluster.this.reader_endpoint}:${aws_rds_cluster.this.port}"
}

output "cluster_identifier" {
  description = "Name in CloudWatch."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "master_secret_arn" {
  description = "Secret with username and password of the master account, kept by RDS."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

output "security_group_id" {
  description = "Security group of the cluster."
  value       = aws_security_group.this.id
}

output "cluster_arn" {
  description = "ARN of the cluster, for backups."
  value       = aws_rds_cluster.this.arn
}

output "memory_alarm" {
  description = "Bytes of free memory below which an instance is short of it: a twentieth of a fixed class, a quarter of a GiB of a serverless one at its smallest."
  value       = local.serverless ? 256 * 1024 * 1024 : local.memory_gib[split(".", var.instance_class)[2]] * 1024 * 1024 * 1024 / 20
}
