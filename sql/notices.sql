-- Notices: the channels, the causes that last, and what was sent.

-- count_notice_channels --
-- Counts channels.
SELECT count(*)
  FROM notice_channel;

-- add_notice_channel --
-- Adds a channel.
INSERT INTO notice_channel (name, kind, target, language, at_once, daily, daily_at, quiet_from, quiet_until, timezone,
                            is_active, created_at, updated_at)
VALUES (:name, :kind, :target, :language, :at_once, :daily, :daily_at, :quiet_from, :quiet_until, :timezone,
        :is_active, :created_at, :created_at)
RETURNING id;

-- get_notice_channel --
-- One channel with its state.
SELECT channel.id, channel.name, channel.kind, channel.target, channel.language, channel.at_once, channel.daily,
       channel.daily_at, channel.quiet_from, channel.quiet_until, channel.timezone, channel.is_active,
       channel.inactive_reason, channel.created_at, channel.updated_at, queue.last_sent_at, queue.last_error,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at
  FROM notice_channel AS channel
  LEFT JOIN notice_queue AS queue ON queue.channel_id = channel.id
 WHERE channel.id = :id;

-- list_notice_channel_names --
-- The names of the channels :ids.
SELECT id, name
  FROM notice_channel
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_notice_channels --
-- Channels, in the order they were created.
SELECT channel.id, channel.name, channel.kind, channel.target, channel.language, channel.at_once, channel.daily,
       channel.daily_at, channel.quiet_from, channel.quiet_until, channel.timezone, channel.is_active,
       channel.inactive_reason, channel.created_at, channel.updated_at, queue.last_sent_at, queue.last_error,
       queue.failing_since, CASE WHEN queue.failures > 0 THEN queue.next_attempt_at END AS next_attempt_at
  FROM notice_channel AS channel
  LEFT JOIN notice_queue AS queue ON queue.channel_id = channel.id
 ORDER BY /* sort: id = channel.id; name = lower(channel.name); created_at = channel.created_at;
             updated_at = channel.updated_at */
          channel.id
 LIMIT :limit OFFSET :skip;

-- touch_notice_channel --
-- Locks a channel for a change and sets its time.
UPDATE notice_channel
   SET updated_at = :updated_at
 WHERE id = :id;

-- change_notice_channel --
-- Stores the fields that an administrator may change.
UPDATE notice_channel
   SET name = :name, target = :target, language = :language, at_once = :at_once, daily = :daily, daily_at = :daily_at,
       quiet_from = :quiet_from, quiet_until = :quiet_until, timezone = :timezone, is_active = :is_active,
       inactive_reason = :inactive_reason
 WHERE id = :id;

-- remove_notice_channel --
-- Removes a channel with its state.
DELETE FROM notice_channel
 WHERE id = :id;

-- begin_notice_queue --
-- Adds the state of a channel that has none.
INSERT INTO notice_queue (channel_id, is_settling, next_attempt_at, daily_done_at)
VALUES (:channel_id, :is_settling, :now, :now)
ON CONFLICT (channel_id) DO NOTHING;

-- settle_notice_queue --
-- Ends the settling of a channel: what begins from now on is sent.
UPDATE notice_queue
   SET is_settling = FALSE
 WHERE channel_id = :channel_id;

-- hurry_notice_queue --
-- Forgets the failures of a channel, so that what waits is sent at once.
UPDATE notice_queue
   SET failures = 0, failing_since = NULL, last_error = NULL, next_attempt_at = :now
 WHERE channel_id = :channel_id;

-- list_notice_queues --
-- The active channels with all that sending needs; their state is null before their start.
SELECT channel.id, channel.name, channel.kind, channel.target, channel.language, channel.at_once, channel.daily,
       channel.daily_at, channel.quiet_from, channel.quiet_until, channel.timezone, channel.is_active,
       queue.is_settling, queue.failures, queue.failing_since, queue.next_attempt_at, queue.daily_done_at
  FROM notice_channel AS channel
  LEFT JOIN notice_queue AS queue ON queue.channel_id = channel.id
 WHERE channel.is_active
 ORDER BY channel.id;

-- get_notice_queue --
-- One channel with all that sending needs.
SELECT channel.id, channel.name, channel.kind, channel.target, channel.language, channel.at_once, channel.daily,
       channel.daily_at, channel.quiet_from, channel.quiet_until, channel.timezone, channel.is_active,
       queue.is_settling, queue.failures, queue.failing_since, queue.next_attempt_at, queue.daily_done_at
  FROM notice_channel AS channel
  LEFT JOIN notice_queue AS queue ON queue.channel_id = channel.id
 WHERE channel.id = :id;

-- list_new_alert_causes --
-- Alerts without a notice whose cause lasts, up to :limit; :stock are the causes in the stock, :service those of Stocky.
SELECT alert.id, alert.alert_type AS cause, alert.message
  FROM alert
 WHERE ((alert.cause_lasts AND alert.alert_type IN (SELECT value FROM json_each(CAST(:stock AS TEXT))))
        OR (alert.is_active AND alert.item_id IS NULL AND alert.sku_id IS NULL
            AND alert.alert_type IN (SELECT value FROM json_each(CAST(:service AS TEXT)))))
   AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.alert_id = alert.id)
 ORDER BY alert.id
 LIMIT :limit;

-- list_ended_alert_causes --
-- Notices of alerts whose cause has ended, up to :limit.
SELECT notice.id
  FROM notice
 WHERE notice.ended_at IS NULL AND notice.alert_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM alert
                    WHERE alert.id = notice.alert_id AND (alert.cause_lasts OR alert.is_active))
 ORDER BY notice.id
 LIMIT :limit;

-- list_other_notices --
-- The notices that last of causes without an alert.
SELECT id, cause, subject
  FROM notice
 WHERE ended_at IS NULL AND alert_id IS NULL;

-- add_notice --
-- Adds a cause, unless it lasts already.
INSERT INTO notice (cause, alert_id, subject, message, began_at)
VALUES (:cause, :alert_id, :subject, :message, :began_at)
ON CONFLICT DO NOTHING;

-- end_notices --
-- Ends the notices :ids.
UPDATE notice
   SET ended_at = :ended_at
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- list_unsent_notices --
-- What a channel has to send of these causes, oldest first; not what a person has acknowledged or resolved.
SELECT notice.id, notice.cause, coalesce(alert.message, notice.message) AS message
  FROM notice
  LEFT JOIN alert ON alert.id = notice.alert_id
 WHERE notice.ended_at IS NULL
   AND notice.cause IN (SELECT value FROM json_each(CAST(:causes AS TEXT)))
   AND (notice.alert_id IS NULL OR (alert.is_active AND NOT alert.is_acknowledged))
   AND NOT EXISTS (SELECT 1 FROM notice_sent
                    WHERE notice_sent.channel_id = :channel_id AND notice_sent.notice_id = notice.id)
 ORDER BY notice.id
 LIMIT :limit;

-- note_notice_sent --
-- Records that a channel needs not send a notice again.
INSERT INTO notice_sent (channel_id, notice_id, sent_at)
VALUES (:channel_id, :notice_id, :sent_at)
ON CONFLICT DO NOTHING;

-- skip_lasting_notices --
-- Records for a channel everything that lasts, without having sent it.
INSERT INTO notice_sent (channel_id, notice_id, sent_at)
SELECT channel.id, notice.id, CAST(NULL AS TIMESTAMPTZ)
  FROM notice_channel AS channel
  JOIN notice ON notice.ended_at IS NULL
 WHERE channel.id = :channel_id
ON CONFLICT DO NOTHING;

-- note_notice_success --
-- Records that a channel works, except for the recipients that :refused names.
UPDATE notice_queue
   SET failures = 0, failing_since = NULL, last_error = :refused, next_attempt_at = :now, last_sent_at = :now
 WHERE channel_id = :channel_id;

-- note_notice_failure --
-- Records a failed attempt, unless the channel was repaired meanwhile.
UPDATE notice_queue
   SET failures = failures + 1, failing_since = coalesce(failing_since, :now), last_error = :error,
       next_attempt_at = :next_attempt_at
 WHERE channel_id = :channel_id AND failures = :failures
   AND EXISTS (SELECT 1 FROM notice_channel
                WHERE notice_channel.id = notice_queue.channel_id AND notice_channel.target = :target);

-- end_notice_day --
-- Records that the daily message of a channel is done.
UPDATE notice_queue
   SET daily_done_at = :moment
 WHERE channel_id = :channel_id AND daily_done_at < :moment;

-- list_failed_jobs --
-- The newest failed job of each kind except :without, if none of its kind succeeded since. Rejections are no failures,
-- nor are those that a user dismissed.
SELECT job.kind, job.error
  FROM job
 WHERE job.id IN (SELECT max(failed.id) FROM job AS failed
                   WHERE failed.status = 'failed' AND failed.dismissed_at IS NULL
                     AND (failed.error_status IS NULL OR failed.error_status >= 500)
                   GROUP BY failed.kind)
   AND job.kind <> :without
   AND NOT EXISTS (SELECT 1 FROM job AS later
                    WHERE later.kind = job.kind AND later.status = 'done' AND later.id > job.id);

-- claim_notice_lease --
-- Takes or renews the lease; of several processes one succeeds.
INSERT INTO notice_lease (id, owner, lease_until)
VALUES (1, :owner, :lease_until)
ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
 WHERE notice_lease.owner = excluded.owner OR notice_lease.lease_until <= :now;

-- release_notice_lease --
-- Releases the lease of this process.
DELETE FROM notice_lease
 WHERE owner = :owner;

-- count_failing_notice_channels --
-- The number of active channels whose last attempt failed.
SELECT count(*)
  FROM notice_queue
  JOIN notice_channel ON notice_channel.id = notice_queue.channel_id
 WHERE notice_channel.is_active AND notice_queue.failures > 0;

-- list_channels_failing_since --
-- The names of active channels that have failed since before :moment.
SELECT notice_channel.name
  FROM notice_queue
  JOIN notice_channel ON notice_channel.id = notice_queue.channel_id
 WHERE notice_channel.is_active AND notice_queue.failing_since < :moment
 ORDER BY notice_channel.id;

-- remove_old_notices --
-- Removes notices that ended before :before.
DELETE FROM notice
 WHERE ended_at < :before;
