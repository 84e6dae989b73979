"""The numbers of the sale as a deployment sets them. Pure."""

from datetime import timedelta, tzinfo
from zoneinfo import ZoneInfo

from commerce.evidence import RetentionRules
from commerce.questionnaire import AssessmentRules
from commerce.settings import CommerceSettings
from commerce.suitability import SHANGHAI, SuitabilityRules
from server.settings import Settings


def zone_of(name: str) -> tzinfo:
    """The business zone; Shanghai's as a fixed offset, which costs an order less to ask."""
    return SHANGHAI if name == str(SHANGHAI) else ZoneInfo(name)


def commerce_settings(given: Settings) -> CommerceSettings:
    """Take them from the settings of the program."""
    return CommerceSettings(
        reservation_ttl_s=given.reservation_ttl_s,
        minimum_dwell_ms=given.minimum_dwell_ms,
        acknowledgement_ttl_s=given.acknowledgement_ttl_s,
        cancel_closes_before_s=given.cancel_closes_before_s,
        daily_tip_cap_points=given.daily_tip_cap_points,
        quota_granularity_minor=given.quota_granularity_minor,
        reauthentication_within_s=given.reauthentication_within_s or None,
        retention=RetentionRules(given.evidence_retention_years, given.evidence_legal_hold_until),
        assessments=AssessmentRules(given.assessments_a_day, given.assessments_a_year),
        suitability=SuitabilityRules(
            senior_age=given.senior_age,
            senior_free_up_to_rating=given.senior_free_up_to_rating,
            senior_wait=timedelta(hours=given.senior_wait_h),
            assessment_valid_months=given.assessment_valid_months,
            business_zone=zone_of(given.business_zone),
        ),
    )
