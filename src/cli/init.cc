#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {

Command init_command() {
    struct State {
        std::optional<std::string> like, like_key_file, like_passphrase_file;
        NewRepository form;
        bool no_parity = false;
        std::string lock_mode;
    };
    auto state = std::make_shared<State>();
    Command command;
    command.name = "init";
    command.summary = "make a repository; prints where its key is and a recovery key";
    command.details =
        "Without -r the embedded repository of this user is made. A key file is written, unless a "
        "passphrase is given.";
    command.options = {
        {"--like", "REPOSITORY", "deduplicate with this repository: share its hash and chunker keys",
         &state->like, {}},
        {"--like-key-file", "FILE", "key file of the repository given by --like",
         &state->like_key_file, {}},
        {"--like-passphrase-file", "FILE", "passphrase file of the repository given by --like",
         &state->like_passphrase_file, {}},
        {"--no-parity", "", "store no error correction: 4 % less space, and damage cannot be mended",
         &state->no_parity, {}},
        {"--lock", "TIME",
         "lock restore points for so long (30d) against everybody, by the storage's object lock", &state->form.lock, {}},
        {"--lock-mode", "MODE", "compliance (nobody can unlock, the default), governance", &state->lock_mode,
         {"compliance", "governance"}}};
    command.state = state;
    command.run = [state](Console& console) -> Result<ExitStatus> {
        HF_TRY(const ResolvedAccess access, resolve_access(console.access));
        if (!state->lock_mode.empty() && !state->form.lock && !access.lock)
            return Error(ErrorCode::invalid_argument, "--lock-mode needs --lock, which says how long (--lock 30d)");
        AccessRequest like_access;
        like_access.config_file = console.access.config_file;
        like_access.key_file = state->like_key_file;
        like_access.passphrase_file = state->like_passphrase_file;
        state->form.has_parity = !state->no_parity;
        state->form.is_governance = state->lock_mode == "governance";
        HF_TRY(const InitResponse made, init_repository(access, state->like, like_access, state->form));
        if (console.json) {
            nlohmann::json document = {{"schema", 1},
                                       {"repository_id", made.repository_id},
                                       {"recovery_key", made.recovery_key}};
            add_path(document, "repository", made.repository);
            add_path(document, "key_file", made.key_file);
            print_json(document);
            return ExitStatus::done;
        }
        print_line("made repository " + made.repository_id.substr(0, 12) + " at " + made.repository);
        if (!made.key_file.empty()) print_line("key file:      " + made.key_file);
        print_line("recovery key:  " + made.recovery_key);
        print_line("");
        print_line("Keep the recovery key somewhere else, on paper: it opens the repository when the");
        print_line("key is lost, and nothing else does.");
        return ExitStatus::done;
    };
    return command;
}

}  // namespace holdfast
