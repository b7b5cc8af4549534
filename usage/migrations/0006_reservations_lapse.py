from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0005_tests_of_providers")]

    operations = [
        migrations.AddField(
            model_name="reservation",
            name="lapses_at",
            field=models.DateTimeField(null=True),
        )
    ]
