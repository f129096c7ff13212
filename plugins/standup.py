"""/standup: what this session did so far, to read out in the morning."""

from a3s_code.plugin import CommandContext, CommandReply, SlashCommand


class Standup(SlashCommand):
    """Tells messages, tokens and cost; the model is not asked."""

    name = "standup"
    description = "What this session did so far"

    def execute(self, args: str, context: CommandContext) -> CommandReply:
        cost = "cost unknown" if context.cost_usd is None else f"${context.cost_usd:.2f}"
        return CommandReply(
            f"Session {context.session_id} in {context.workspace} with {context.model}:\n"
            f"{context.history_len} messages, {context.usage.total_tokens:,} tokens "
            f"({context.usage.output_tokens:,} written by the model), {cost}."
        )


slash_commands = [Standup()]
