"""The metrics of an email experiment, as `experiments/metrics` returns them."""

from __future__ import annotations

from source_iterable.streams.schema import ColumnSet, integer, number, text, timestamp

EXPERIMENT_METRICS = ColumnSet(
    {
        "experiment_id": integer("Id of the experiment; points to `id` in `experiments`."),
        "template_id": integer("Id of the variant's template; points to `templateId` in `templates`."),
        "campaign_id": integer("Id of the campaign; points to `id` in `campaigns`."),
        "name": text("Name of the variant."),
        "type": text("Whether the variant is the Control or the Winner."),
        "created_by": text("Member of the project who created it."),
        "creation_date": timestamp("When it was created."),
        "last_modified": timestamp("When it was last edited."),
        "subject": text("Subject of the variant's emails."),
        "improvement": number("By how much it did better than the control, as Iterable computes it."),
        "confidence": number("How sure that is, as Iterable computes it."),
        "total_email_sends": integer("How many emails were sent."),
        "unique_email_sends": integer("How many people were sent an email."),
        "email_delivery_rate": number("Share of the emails that were delivered."),
        "purchases_per_m": number(
            "Purchases for each thousand emails; the title of 2017, today it is `purchases_per_m_email`."
        ),
        "purchases_per_m_email": number("Purchases for each thousand emails."),
        "revenue_per_m": number(
            "Revenue for each thousand emails; the title of 2017, today it is `revenue_per_m_email`."
        ),
        "revenue_per_m_email": number("Revenue for each thousand emails."),
        "total_emails_delivered": integer("How many emails were delivered."),
        "unique_emails_delivered": integer("How many people's emails were delivered."),
        "total_email_opens": integer("How many times emails were opened."),
        "total_email_opens_filtered": integer(
            "How many times emails were opened, without what Iterable takes for machines."
        ),
        "unique_email_opens": integer("How many people opened an email."),
        "unique_email_opens_filtered": integer(
            "How many people opened an email, without what Iterable takes for machines."
        ),
        "unique_email_opens_or_clicks": integer("How many people opened an email or clicked on a link in it."),
        "email_open_rate": number("Share of the delivered emails that were opened."),
        "unique_email_open_rate": number("Share of the people whose emails were delivered who opened one."),
        "total_emails_clicked": integer("How many clicks on links in emails there were."),
        "total_emails_clicked_filtered": integer(
            "How many clicks on links in emails there were, without what Iterable takes for machines."
        ),
        "unique_email_clicks": integer("How many people clicked on a link in an email."),
        "unique_email_clicks_filtered": integer(
            "How many people clicked on a link in an email, without what Iterable takes for machines."
        ),
        "clicks_per_opens": number("Clicks for each opening."),
        "email_click_rate": number("Share of the delivered emails in which a link was clicked."),
        "unique_email_click_rate": number(
            "Share of the people whose emails were delivered who clicked on a link in one."
        ),
        "total_hosted_unsubscribe_clicks": integer("How many clicks on Iterable's own unsubscribe pages there were."),
        "unique_hosted_unsubscribe_clicks": integer("How many people clicked on Iterable's own unsubscribe pages."),
        "total_complaints": integer("How many spam complaints there were."),
        "complaint_rate": number("Share of the delivered emails that were reported as spam."),
        "total_emails_bounced": integer("How many emails bounced."),
        "unique_emails_bounced": integer("How many people's emails bounced."),
        "email_bounce_rate": number("Share of the emails that bounced."),
        "total_email_holdout": integer("How many people were held out of an email experiment."),
        "total_email_send_skips": integer("How many emails were skipped."),
        "total_unsubscribes": integer("How many unsubscriptions there were."),
        "unique_unsubscribes": integer("How many people unsubscribed."),
        "email_unsubscribe_rate": number("Share of the delivered emails that led to an unsubscription."),
        "revenue": number("Revenue from purchases that followed a message of it."),
        "total_purchases": integer("How many purchases followed a message of it."),
        "unique_purchases": integer("How many people made a purchase that followed a message of it."),
        "average_order_value": number("Average value of an order that followed a message of it."),
        "total_custom_conversions": integer("How many custom conversions there were."),
        "unique_custom_conversions": integer("How many people made a custom conversion."),
        "average_custom_conversion_value": number("Average value of a custom conversion."),
        "conversions_per_email_hold_outs": number(
            "Custom conversions for each person who was held out of the experiment."
        ),
        "conversions_per_unique_emails_delivered": number(
            "Custom conversions for each person whose email was delivered."
        ),
        "sum_of_custom_conversions": number("Sum of the values of custom conversions."),
    }
)
