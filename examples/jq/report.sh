#!/bin/sh
# What to know of a plan before it is applied, one line of jq a question:
#
#   rollcall plan -o json=plan.json; sh report.sh plan.json
set -eu
plan=$1

# What does it come to?
jq -r '.totals | "accounts: \(.accounts_added) added, \(.accounts_leaving) leave, \(.accounts_renamed) renamed, \(.accounts_unchanged) unchanged"' "$plan"
jq -r '"risk \(.risk_level)"' "$plan"

# Is it a mass change, and where does that come from?
jq -r '.causes[]' "$plan"
jq -r '.groups[] | "\(.count) accounts: \(.category) \([.from, .to | select(. != "")] | join(" -> "))"' "$plan"

# How many changes are there of each category, and how many of them are withheld?
jq -r '.changes | group_by(.category)[] | "\(length) \(.[0].category), \(map(select(.withheld)) | length) withheld"' "$plan"

# Why do addresses stop receiving mail, and would others if no brake withheld that?
jq -r '[.changes[] | select(.category == "inactive")] | group_by([.withheld, .reason])[] | "\(length) addresses \(if .[0].withheld then "would stop" else "stop" end): \(.[0].reason)"' "$plan"

# What is rejected, and who stands in the way?
jq -r '.rejections | group_by(.reason)[] | "\(length) rejected: \(.[0].reason)"' "$plan"
jq -r '[.rejections[].other.directory | select(. != "")] | group_by(.)[] | "\(length) because of \(.[0])"' "$plan"
