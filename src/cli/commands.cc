#include "cli/command.h"

namespace holdfast {

std::vector<Command> all_commands() {
    return {init_command(),     backup_command(),   list_command(),       show_command(),
            ls_command(),       find_command(),     diff_command(),       usage_command(),
            restore_command(),  cat_command(),      check_command(),      repair_command(),
            delete_command(),   undelete_command(), hold_command(),       release_command(),
            prune_command(),    synthesize_command(), copy_command(),     key_command(),
            config_command(),   run_command(),      schedule_command(),   status_command(),
            replica_command(),
            version_command(),  completion_command(), man_command()};
}

}  // namespace holdfast
