# A service keeps a number of tasks running, replaces them a few at a time, and
# rolls back automatically when new ones do not become healthy. Scaling is added by the
# caller (../../scaling.tf).

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = var.task_definition_arn
  desired_count   = var.min
  launch_type     = "FARGATE"

  # Old and new tasks run side by side: none stops before its successor is
  # healthy.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  availability_zone_rebalancing     = "ENABLED"
  enable_ecs_managed_tags           = true
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = var.target_group_arn == null ? null : 60

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arn == null ? [] : [var.target_group_arn]
    content {
      target_group_arn = load_balancer.value
      container_name   = var.container
      container_port   = var.port
    }
  }

  lifecycle {
    # A release registers a revision with its image and puts it here, and
    # autoscaling sets the number: an apply must undo neither. A changed
    # setting makes a new revision, which the next release picks up.
    ignore_changes = [task_definition, desired_count]
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = var.min
  max_capacity       = var.max
}
