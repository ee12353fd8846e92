package wxsim

// WXCard is the ticket that signs what pages do with cards and coupons (微信卡券的 api_ticket).
const WXCard TicketType = "wx_card"
