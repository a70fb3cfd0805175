#include "storage/rados/rados_location.h"

#include <sstream>

#include "http/url.h"

namespace holdfast {
namespace {

std::string with_type(const std::string& id) {
    return id.find('.') == std::string::npos ? "client." + id : id;
}

std::string client_in(const std::string& arguments) {
    std::istringstream words(arguments);
    for (std::string word, value; words >> word;) {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(0, equals);
        if (name != "--id" && name != "--user" && name != "-n" && name != "--name") continue;
        if (equals != std::string::npos)
            value = word.substr(equals + 1);
        else
            words >> value;
        if (value.empty()) return "";
        // An id may have a dot itself; a name begins with its type.
        return name == "--id" || name == "--user" ? "client." + value : with_type(value);
    }
    return "";
}

}  // namespace

Result<RadosLocation> parse_rados_location(std::string_view text, const Environment& environment) {
    RadosLocation location;
    const std::size_t question = text.find('?');
    std::string_view path = text.substr(0, question);
    while (path.starts_with('/')) path.remove_prefix(1);
    while (path.ends_with('/')) path.remove_suffix(1);
    location.pool = path.substr(0, path.find('/'));
    if (location.pool.empty())
        return Error(ErrorCode::invalid_argument,
                     "a pool is missing: rados:POOL/NAMESPACE, not 'rados:" + without_password(text) + "'");
    path.remove_prefix(location.pool.size());
    while (path.starts_with('/')) path.remove_prefix(1);
    location.name_space = path;
    if (question != std::string_view::npos) {
        HF_TRY(const QueryParameters parameters, parse_query(text.substr(question + 1)));
        for (const auto& [name, value] : parameters) {
            if (value.empty() || (name != "id" && name != "conf"))
                return Error(ErrorCode::invalid_argument,
                             "not known of a RADOS repository: '" + name + "' (id=, conf=)");
            (name == "id" ? location.client : location.configuration_file) = name == "id" ? with_type(value) : value;
        }
    }
    if (location.client.empty()) location.client = client_in(environment("CEPH_ARGS").value_or(""));
    if (location.client.empty()) location.client = "client.admin";
    return location;
}

}  // namespace holdfast
