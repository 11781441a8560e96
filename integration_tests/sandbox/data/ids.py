"""Ids by which rows of one kind refer to those of another."""

PROJECT_ID = 2158
FIRST_CAMPAIGN = 2220229
CAMPAIGN_STEP = 7
FIRST_LIST = 949810
FIRST_TEMPLATE = 3043605
