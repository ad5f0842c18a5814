# The role that runs load tests with Grapeshot, and its permissions; on GitHub without any stored key.

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}

locals {
  partition = data.aws_partition.this.partition
  account   = data.aws_caller_identity.this.account_id
  issuer    = "token.actions.githubusercontent.com"

  # The policies of `grapeshot iam policy`, in its order.
  names = concat(["run"], var.allow_publish ? ["publish"] : [], var.allow_extras ? ["extras"] : [])
  statements = flatten([
    for name in local.names : jsondecode(templatefile("${path.module}/${name}.json.tftpl", {
      partition = local.partition
      account   = local.account
      prefix    = var.prefix
    })).Statement
  ])

  repositories = var.github == null ? [] : concat(
    var.github.subject_format == "immutable" ? [] : ["${var.github.organization}/${var.github.repository}"],
    var.github.subject_format == "name" ? [] : [
      "${var.github.organization}@${coalesce(var.github.organization_id, 0)}/${var.github.repository}@${coalesce(var.github.repository_id, 0)}"
    ],
  )
  contexts = var.github == null ? [] : concat(
    [for branch in var.github.branches : "ref:refs/heads/${branch}"],
    [for tag in var.github.tags : "ref:refs/tags/${tag}"],
    var.github.pull_requests ? ["pull_request"] : [],
    [for environment in var.github.environments : "environment:${environment}"],
  )
  subjects = [for pair in setproduct(local.repositories, local.contexts) : "repo:${pair[0]}:${pair[1]}"]

  whole_account = var.github == null && length(var.principals) == 0
  principals    = local.whole_account ? ["arn:${local.partition}:iam::${local.account}:root"] : var.principals
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github != null && var.create_oidc_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  dynamic "statement" {
    for_each = var.github == null ? [] : [local.subjects]

    content {
      sid     = "GitHubWorkflows"
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type = "Federated"
        identifiers = [
          var.create_oidc_provider
          ? aws_iam_openid_connect_provider.github[0].arn
          : "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"
        ]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }

      condition {
        test     = "StringLike"
        variable = "${local.issuer}:sub"
        values   = statement.value
      }
    }
  }

  dynamic "statement" {
    for_each = length(local.principals) > 0 ? [local.principals] : []

    content {
      sid     = local.whole_account ? "WholeAccount" : "Named"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }
}

resource "aws_iam_role" "load_tests" {
  name                 = var.role_name
  description          = "Runs load tests with Grapeshot"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = var.max_session_duration
}

resource "aws_iam_policy" "load_tests" {
  name        = var.role_name
  description = "What load tests with Grapeshot need; grapeshot iam policy prints the same"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_role_policy_attachment" "load_tests" {
  role       = aws_iam_role.load_tests.name
  policy_arn = aws_iam_policy.load_tests.arn
}
