output "role_arn" {
  description = "For role-to-assume in a workflow, or role_arn in a profile."
  value       = aws_iam_role.load_tests.arn
}

output "policy_arn" {
  description = "For attaching the permissions to other roles."
  value       = aws_iam_policy.load_tests.arn
}
