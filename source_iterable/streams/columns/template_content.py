"""What a template says, for each medium."""

from __future__ import annotations

from source_iterable.streams.schema import (
    INTEGER,
    OBJECT,
    STRING,
    ColumnSet,
    array,
    boolean,
    generated,
    integer,
    json_object,
    number,
    text,
    timestamp,
)

TEMPLATE_CONTENT = ColumnSet(
    {
        "templateId": integer("Id of the template; points to `templateId` in `templates`."),
        "name": text("Name of the template."),
        "templateType": generated(
            text("Kind of template: Base, Blast, Triggered or Workflow; empty where Iterable lists it under none.")
        ),
        "messageMedium": generated(
            text("Medium of its messages: Email, Push, InApp or SMS; empty for embedded messages.")
        ),
        "messageTypeId": integer("Id of its message type; points to `id` in `message_types`."),
        "campaignId": integer("Id of the campaign that uses it; points to `id` in `campaigns`."),
        "clientTemplateId": text("Id that your own systems gave the template."),
        "creatorUserId": text("Email address of the project member who created it."),
        "locale": text("Language of the content, where the template has several."),
        "isDefaultLocale": boolean("Whether that is the template's default language."),
        "subject": text("Subject of an email."),
        "preheaderText": text("Preheader of an email."),
        "fromName": text("Name of the sender of an email."),
        "fromEmail": text("Address of the sender of an email."),
        "replyToEmail": text("Address that answers to an email go to."),
        "ccEmails": array(STRING, "Addresses that get a copy of each email."),
        "bccEmails": array(STRING, "Addresses that get a blind copy of each email."),
        "html": text("HTML of an email or in-app message."),
        "plainText": text("Text form of an email."),
        "title": text("Title of a push notification or embedded message."),
        "message": text("Text of a push notification or SMS."),
        "imageUrl": text("Address of the picture of an SMS."),
        "trackingDomain": text("Domain of the tracked links of an SMS."),
        "placementId": integer("Id of the placement that an embedded message is shown in."),
        "body": text("Body text of an embedded message."),
        "googleAnalyticsCampaignName": text("Value of utm_campaign in its links."),
        "linkParams": array(OBJECT, "Parameters added to each link, as keys and values."),
        "dataFeedId": integer("Id of the data feed that it uses; an older form of `dataFeedIds`."),
        "dataFeedIds": array(INTEGER, "Ids of the data feeds that it uses."),
        "cacheDataFeed": boolean("Whether answers of data feeds are kept for an hour."),
        "mergeDataFeedContext": boolean("Whether fields of data feeds stand beside those of the profile."),
        "campaignDataFields": json_object("Fields of the campaign that the content may use."),
        "metadata": json_object("What Iterable tells of an email template beside its content."),
        "badge": text("Badge that a push notification sets."),
        "sound": text("Sound of a push notification."),
        "wake": boolean("Whether a push notification wakes the app."),
        "buttons": array(OBJECT, "Buttons of a push notification."),
        "deeplink": json_object("Where a push notification leads, for ios and android."),
        "richMedia": json_object("Media of a push notification, for ios and android."),
        "isSilentPush": boolean("Whether a push notification shows nothing."),
        "interruptionLevel": text("When iOS alerts the person about a push notification."),
        "relevanceScore": number("Rank of a push notification among others on iOS, from 0 to 1."),
        "payload": json_object("Data sent with a push notification, in-app message or embedded message."),
        "expirationDateTime": timestamp("When an in-app message expires."),
        "expirationDuration": text("How long after sending an in-app message expires, such as now+90d."),
        "inAppDisplaySettings": json_object("How an in-app message is shown in apps."),
        "webInAppDisplaySettings": json_object("How an in-app message is shown on the web."),
        "inboxMetadata": json_object("Title, subtitle and picture of an in-app message in the inbox."),
        "elements": json_object("Buttons, media and further texts of an embedded message."),
    }
)
