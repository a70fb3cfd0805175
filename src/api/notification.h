// Tells people, by mail or a webhook, that the state of a source has changed.
#pragma once

#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "policy/source_state.h"

namespace holdfast {

struct NotifyConfig;

struct Notification {
    StateEvent event = StateEvent::failure;
    SourceState state = SourceState::failed;
    std::string source, host, repository, restore_point, error;
    TimeNs time = 0;
};

// Takes no longer than the notification's time-out and a few seconds. Errors: what went wrong, without any secret.
Status notify(const NotifyConfig& config, const Notification& notification, const std::stop_token& stop);

// What is sent, for tests: a mail with its headers; a JSON document.
std::string mail_text(const NotifyConfig& config, const Notification& notification);
std::string webhook_document(const Notification& notification);

}  // namespace holdfast
