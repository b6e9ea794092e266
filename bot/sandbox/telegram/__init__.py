"""The emulated Telegram Bot API: one bot, private chats, updates by webhook or long polling."""
