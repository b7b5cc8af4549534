"""The months so far, from their days."""

from django.db import migrations

WHOSE = "user_id, agent_id, api_key_id, model, kind"
SUMS = (
    *("calls", "failures", "estimated_calls", "prompt_tokens", "cached_tokens"),
    *("completion_tokens", "reasoning_tokens", "total_tokens", "unpriced_tokens"),
    *("cost", "first_tokens", "ttft_ms", "duration_ms"),
)
FILL = f"""
INSERT INTO usage_monthlyusage (month, {WHOSE}, {", ".join(SUMS)})
SELECT date_trunc('month', day)::date, {WHOSE},
    {", ".join(f"sum({name})" for name in SUMS)}
FROM usage_dailyusage GROUP BY 1, {WHOSE}
"""  # noqa: S608  # constants


class Migration(migrations.Migration):
    dependencies = [("usage", "0008_monthly_usage")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
