-- Version 1 of the schema, as databases have it that were made by it.
CREATE TABLE `presentity` (
  `id` INTEGER NOT NULL,
  `username` TEXT NOT NULL,
  `domain` TEXT NOT NULL,
  `event` TEXT NOT NULL,
  `etag` TEXT NOT NULL,
  `expires` INTEGER NOT NULL,
  `received_time` INTEGER NOT NULL,
  `body` TEXT NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE `active_watchers` (
  `id` BLOB NOT NULL,
  `to_user` TEXT NOT NULL,
  `to_domain` TEXT NOT NULL,
  `from_user` TEXT NOT NULL,
  `from_domain` TEXT NOT NULL,
  `event` TEXT NOT NULL DEFAULT 'presence',
  `event_id` TEXT NOT NULL DEFAULT '',
  `to_tag` TEXT NOT NULL,
  `from_tag` TEXT NOT NULL,
  `callid` TEXT NOT NULL,
  `cseq` INTEGER NOT NULL,
  `contact` TEXT NOT NULL,
  `record_route` TEXT NOT NULL,
  `expires` INTEGER NOT NULL,
  `status` TEXT NOT NULL DEFAULT 'pending',
  `version` INTEGER NOT NULL DEFAULT 0,
  `granted_s` INTEGER NOT NULL DEFAULT 0,
  `presentity_uri` TEXT NOT NULL DEFAULT '',
  `local_uri` TEXT NOT NULL DEFAULT '',
  `remote_uri` TEXT NOT NULL DEFAULT '',
  `identity` TEXT NOT NULL DEFAULT '',
  `accept` TEXT NOT NULL DEFAULT '',
  `local_cseq` INTEGER NOT NULL DEFAULT 0,
  `remote_cseq` INTEGER NOT NULL DEFAULT 0,
  `local_contact` TEXT NOT NULL DEFAULT '',
  `received` TEXT NOT NULL DEFAULT '',
  `socket` TEXT NOT NULL DEFAULT '',
  `user_agent` TEXT NOT NULL DEFAULT '',
  `reason` TEXT NOT NULL DEFAULT '',
  `watcher_id` TEXT NOT NULL DEFAULT '',
  `display_name` TEXT NOT NULL DEFAULT '',
  `subscribed_at` INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
);
CREATE TABLE `watchers` (
  `p_user` TEXT NOT NULL,
  `p_domain` TEXT NOT NULL,
  `w_user` TEXT NOT NULL,
  `w_domain` TEXT NOT NULL,
  `subs_status` TEXT NOT NULL,
  `reason` TEXT NOT NULL DEFAULT '',
  `inserted_time` INTEGER NOT NULL,
  `event` TEXT NOT NULL DEFAULT 'presence',
  `watcher_id` TEXT NOT NULL DEFAULT '',
  `deadline` INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (p_user, p_domain, w_user, w_domain, event)
) WITHOUT ROWID;
CREATE TABLE `xcap_xml` (
  `user` TEXT NOT NULL,
  `domain` TEXT NOT NULL,
  `xcap` TEXT NOT NULL,
  `doc_type` INTEGER NOT NULL,
  `doc_uri` TEXT NOT NULL DEFAULT '',
  `modified` INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (user, domain, doc_type, doc_uri)
);
CREATE TABLE `presence_owner` (
  `id` INTEGER NOT NULL,
  `owner` TEXT NOT NULL,
  `epoch` INTEGER NOT NULL,
  `heartbeat` INTEGER NOT NULL,
  `clean` INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (id)
);
CREATE TABLE `presence_secret` (
  `name` TEXT NOT NULL,
  `secret` BLOB NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE `presence_version` (
  `id` INTEGER NOT NULL,
  `version` INTEGER NOT NULL,
  PRIMARY KEY (id)
);
INSERT INTO `presence_owner` (id, owner, epoch, heartbeat) VALUES (1, '', 0, 0);
INSERT INTO `presence_version` (id, version) VALUES (1, 1);
