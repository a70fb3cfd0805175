#include <nlohmann/json.hpp>

#include "api/key_operations.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/secret_input.h"

namespace holdfast {
namespace {

nlohmann::json json_of(const KeySummary& key) {
    return {{"id", key.id},
            {"type", key.type},
            {"role", key.role},
            {"label", key.label},
            {"created", format_rfc3339(key.created)},
            {"revoked", key.is_revoked},
            {"host", key.host},
            {"confirmed", key.confirmed ? nlohmann::json(format_rfc3339(*key.confirmed)) : nlohmann::json()}};
}

Command key_list() {
    Command command;
    command.name = "list";
    command.summary = "list the keys that open the repository";
    command.run = [](Console& console) -> Result<ExitStatus> {
        HF_TRY(const auto keys, list_keys(console.access));
        nlohmann::json array = nlohmann::json::array();
        for (const KeySummary& key : keys) {
            array.push_back(json_of(key));
            if (!console.json)
                print_line(key.id.substr(0, 12) + "  " + key.type + "  " + key.role + "  " +
                           format_rfc3339(key.created / ns_per_second * ns_per_second) + "  " +
                           printable(key.label) + (key.host.empty() ? "" : "  for host " + printable(key.host)) + (key.is_revoked ? "  REVOKED" : "") +
                           (key.type != "recovery" || key.is_revoked ? "" : key.confirmed ? "  confirmed" : "  not confirmed"));
        }
        if (console.json) print_json({{"schema", 1}, {"keys", std::move(array)}});
        return ExitStatus::done;
    };
    return command;
}

Result<ExitStatus> add(AddKeyRequest request, Console& console) {
    request.access = console.access;
    HF_TRY(const AddKeyResponse response, add_key(request));
    if (console.json) {
        nlohmann::json document = json_of(response.key);
        document["schema"] = 1;
        if (!response.recovery_key.empty()) document["recovery_key"] = response.recovery_key;
        print_json(document);
        return ExitStatus::done;
    }
    print_line("added " + response.key.type + " key " + response.key.id.substr(0, 12) + " (" +
               response.key.role + ")");
    if (!response.recovery_key.empty()) print_line("recovery key:  " + response.recovery_key);
    return ExitStatus::done;
}

Command key_add() {
    auto request = std::make_shared<AddKeyRequest>();
    Command command;
    command.name = "add";
    command.summary = "add a key file or a passphrase";
    command.options = {
        {"--new-key-file", "FILE", "key file to write", &request->new_key_file, {}},
        {"--new-passphrase-file", "FILE", "file with the new passphrase",
         &request->new_passphrase_file, {}},
        {"--write-only", "", "a key that can back up and can neither read nor delete",
         &request->is_write_only, {}},
        {"--host", "HOST", "with --write-only: restore points of this host only", &request->host, {}},
        {"--label", "TEXT", "whose it is", &request->label, {}}};
    command.state = request;
    command.run = [request](Console& console) { return add(*request, console); };
    return command;
}

// `done`: what has become of the key, as the answer says it.
Command key_that_goes(const char* name,
                      const char* summary,
                      const char* done,
                      Status (*go)(const AccessRequest&, const std::string&)) {
    auto id = std::make_shared<std::string>();
    Command command;
    command.name = name;
    command.summary = summary;
    command.operands = {{"ID", "a unique prefix is enough", id.get()}};
    command.state = id;
    command.run = [id, done, go](Console& console) -> Result<ExitStatus> {
        HF_TRY_STATUS(go(console.access, *id));
        if (console.json) print_json({{"schema", 1}, {done, *id}});
        else if (!console.quiet) print_line(std::string(done) + " key " + *id);
        return ExitStatus::done;
    };
    return command;
}

Command key_remove() { return key_that_goes("remove", "remove a key", "removed", remove_key); }

Command key_revoke() {
    return key_that_goes("revoke", "remove a key, and keep what is written from now on from whoever has it",
                         "revoked", revoke_key);
}

Command key_rotate() {
    Command command;
    command.name = "rotate";
    command.summary = "protect what is written from now on with new keys, which all key holders get";
    command.run = [](Console& console) -> Result<ExitStatus> {
        HF_TRY_STATUS(rotate_keys(console.access));
        if (console.json) print_json({{"schema", 1}, {"rotated", true}});
        else if (!console.quiet) print_line("what is written from now on has new keys");
        return ExitStatus::done;
    };
    return command;
}

Command key_recovery() {
    Command command;
    command.name = "recovery";
    command.summary = "make a new recovery key and print it";
    command.run = [](Console& console) {
        AddKeyRequest request;
        request.is_recovery = true;
        return add(request, console);
    };
    return command;
}

Result<ExitStatus> confirm(const std::optional<std::string>& file, Console& console) {
    HF_TRY(std::string key, file ? read_first_line(*file) : read_typed_secret("recovery key: ", console.stop));
    HF_TRY(const KeySummary confirmed, confirm_recovery_key(console.access, key));
    if (console.json) {
        nlohmann::json document = json_of(confirmed);
        document["schema"] = 1;
        print_json(document);
    } else if (!console.quiet) {
        print_line("recovery key " + confirmed.id.substr(0, 12) + " opens the repository; `status` knows that somebody has it");
    }
    return ExitStatus::done;
}

Command key_confirm() {
    auto file = std::make_shared<std::optional<std::string>>();
    Command command;
    command.name = "confirm";
    command.summary = "type the recovery key, to prove that somebody has it";
    command.details = "It is read from standard input, without showing it on a terminal.";
    command.options = {{"--recovery-key-file", "FILE", "a file that has it", file.get(), {}}};
    command.state = file;
    command.run = [file](Console& console) { return confirm(*file, console); };
    return command;
}

}  // namespace

Command key_command() {
    Command command;
    command.name = "key";
    command.summary = "list, add, confirm and remove keys";
    command.verbs = {key_list(), key_add(), key_remove(), key_revoke(), key_rotate(), key_recovery(), key_confirm()};
    return command;
}

}  // namespace holdfast
