// Tells people, by mail or a webhook, that the state of a source has changed.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

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

enum class NotifyWay : std::uint8_t { mail, webhook };
std::string_view notify_way_name(NotifyWay way);
// Those that are configured.
std::vector<NotifyWay> notify_ways(const NotifyConfig& config);
// One of these. Takes no longer than the notification's time-out and a few seconds. Errors: what went wrong, without any secret.
Status notify(const NotifyConfig& config, NotifyWay way, const Notification& notification, const std::stop_token& stop);

// What is sent, for tests: a mail with its headers; a JSON document.
std::string mail_text(const NotifyConfig& config, const Notification& notification);
std::string webhook_document(const Notification& notification);

}  // namespace holdfast
