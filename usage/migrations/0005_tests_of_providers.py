from django.db import migrations, models

KINDS = [
    ("reply", "Reply"),
    ("title", "Title"),
    ("try", "Trying an agent"),
    ("test", "Testing a provider"),
    ("correction", "Correction"),
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_prices_rollups_budgets")]

    operations = [
        migrations.AlterField(
            "usagerecord",
            "kind",
            models.CharField(choices=KINDS, default="reply", max_length=12),
        ),
    ]
